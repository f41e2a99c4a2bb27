"""Scenes: a few plain objects on a dark ground, drawn exactly, and captions that say what is there.

`shapes` and `colours` are what an object may be, `places` where it may stand, `world` which of
these a set of scenes holds. `arranging` draws scenes, `drawing` renders them with a mask for each
object, `captions` puts them into words and `parsing` reads such words again.
"""
