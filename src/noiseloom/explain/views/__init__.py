"""The views: each file shows one thing; its name is the word of `noiseloom explain RUN`."""
