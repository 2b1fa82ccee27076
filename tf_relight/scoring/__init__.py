"""Numbers and tables: metrics, evaluation, sheets of samples, simple predictions."""
