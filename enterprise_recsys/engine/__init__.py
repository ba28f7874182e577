"""Answers without the training framework: ONNX encoder and scorer, and the vector index."""
