"""Help for those who are stuck: what this machine has, and what tf_relight keeps on it."""
