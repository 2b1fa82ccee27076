"""Networks that the relighting papers compare with, each retrained for one fixed light; a family a folder."""
