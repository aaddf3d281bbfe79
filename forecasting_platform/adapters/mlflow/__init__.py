"""Model versions in MLflow. The loader that registered versions name stays at `adapters.mlflow_model_loader`."""
