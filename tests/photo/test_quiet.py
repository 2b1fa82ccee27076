"""Libraries in C stay silent, and stderr comes back."""

from __future__ import annotations

import os
import threading

from tf_relight.photo.quiet import quiet_stderr


def test_stderr_is_silent_inside_and_comes_back(capfd):
    def inside():
        for _ in range(200):
            with quiet_stderr():
                os.write(2, b"noise")

    threads = [threading.Thread(target=inside) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    os.write(2, b"after")
    assert capfd.readouterr().err == "after"
    try:
        with quiet_stderr():
            raise ValueError
    except ValueError:
        os.write(2, b"again")
    assert capfd.readouterr().err == "again"
