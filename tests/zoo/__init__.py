"""The zoo: small autoencoders of other tools, as ONNX files in graphs/, for the tests of `aetool import`.

Each was written as users of its tool write theirs, and trained for seconds on `pictures.rectangles`. The scripts make
them anew: `make_torch` (torch 2.13.0), `make_keras` (Keras 3.15.1, tensorflow-cpu 2.21.0, tf2onnx 1.17.0), `make_flax`
(jax 0.10.2, flax 0.12.8, jax2onnx 0.17.1). A folder is called TOOL-MEMBER, of torch TOOL-MEMBER-EXPORTER: `old` and
`free` (TorchScript, the batch frozen or not), `aged` (as old, opset 13), `dynamo` and `open` (dynamo, frozen or not).
"""
