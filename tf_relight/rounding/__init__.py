"""Training for 8 bits: steps and ranges as phone files have them, and the stage that follows floats."""
