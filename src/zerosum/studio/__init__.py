"""The studio: a page over a folder of runs, to watch, play with, compare, start and stop them."""
