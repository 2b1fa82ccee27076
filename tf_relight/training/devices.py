"""What TensorFlow computes on."""

from __future__ import annotations

import tensorflow as tf


def accelerators() -> list[str]:
    """Return the names of the GPUs and TPUs that TensorFlow sees."""
    names = []
    for device in tf.config.list_physical_devices():
        if device.device_type == "CPU":
            continue
        details = tf.config.experimental.get_device_details(device)
        names.append(f"{device.device_type} {details.get('device_name', device.name)}")
    return names
