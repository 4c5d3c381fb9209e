"""What runs a network: torch, or a graph exported from its weights and run by ONNX Runtime or OpenVINO."""
