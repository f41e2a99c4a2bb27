"""Paragraphs about people, places and things that nobody has heard of, with questions on them.

`names` invents who and what is spoken of, `relations` says what can be said and asked of each,
`paragraphs` puts sentences together. All of it follows from a seed.
"""
