"""What a method says of itself, as data: card, stages, and the handle that everything else works with."""
