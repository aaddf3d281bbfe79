"""Requests and answers as pydantic models, which validate requests and make the OpenAPI document."""
