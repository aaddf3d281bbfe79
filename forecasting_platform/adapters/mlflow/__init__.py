"""Model versions in MLflow. Registered versions name the module of their loader, `adapters.mlflow_model_loader`."""
