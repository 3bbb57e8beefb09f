"""Between the shapes in which providers take requests and give answers.

A mapping is pure: it turns bodies into bodies. `registry` knows them by name.
"""
