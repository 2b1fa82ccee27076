"""TensorFlow Lite 2.16.1 on this machine: the library for Android, loaded on a JVM."""
