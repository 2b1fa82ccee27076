"""The doors through which bytes of strangers come in: every reader of files and texts stands behind one.

A door limits what is read, takes regular files only, checks sizes before memory is taken, and turns whatever
the reader behind it raises into one sentence. `tests/guarded/test_doors.py` holds that there is no other way.
"""
