"""Diffusion on torch alone: it knows no network, no data set and no task.

`t` runs from 0 (clean) to 1 (noise) and `xt = alpha(t) x0 + sigma(t) noise` throughout
(Kingma et al. 2021, arXiv:2107.00630, eq. 1). `t` has one entry per item, or as many axes as `xt`
where parts of an item carry noise levels of their own.
"""
