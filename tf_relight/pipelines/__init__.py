"""tf_relight inside other people's Keras code: networks as Keras models, and relighting as augmentation."""
