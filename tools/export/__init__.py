"""Networks as ONNX files: exported, compared with torch, quantised, run."""
