"""Serving a SavedModel over HTTP and gRPC in the shape of TensorFlow Serving; needs the extra `serve`.

`server` starts and ends both front ends; `service` is what both ask: check the inputs, queue, run, answer.
`client` works with this server and with TensorFlow Serving; `tf_serving/` holds the files with which
TensorFlow Serving itself offers the same models.
"""
