"""The one trainer: any method's stages on any dataset under any `tf.distribute` strategy."""
