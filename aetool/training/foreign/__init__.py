"""A stranger's encoder.onnx and decoder.onnx to a bundle, proven equal to what the stranger's graphs compute."""
