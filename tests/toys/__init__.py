"""Two methods that nobody published, to hold the contract: each is a folder here and a line in this table.

"toy_sfsnet" takes a light in colour and gives five named outputs, some of them under a mask. "toy_siamese"
learns without targets and makes the lights of its training itself.
"""

TOYS = {"toy_sfsnet": "tests.toys.sfsnet_like", "toy_siamese": "tests.toys.siamese"}
