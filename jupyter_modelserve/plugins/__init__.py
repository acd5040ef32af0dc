"""What we plug into MLflow. MLflow loads some plugins during its own import, so nothing here imports it early."""
