"""What each figure says, in one sentence, for the report and the model card."""

MEANINGS = {
    "frechet_distance": "Distance between samples and held-out data, both taken as Gaussians in "
    "learned features; it grows as samples get fewer, so compare only with the floor.",
    "frechet_distance_extrapolated": "The same, carried on to infinitely many samples.",
    "kernel_distance": "Distance without the Gaussian assumption; 0 on average for equal "
    "distributions, whatever the number of samples.",
    "precision": "Share of samples that fall among held-out data.",
    "recall": "Share of held-out data that falls among samples: how much of the variety is there.",
    "label_agreement": "How often a classifier reads the class that was asked for.",
    "nearest_train_ratio": "Distance from a sample to the nearest training item, over that of "
    "held-out data; far below 1 the model copies.",
    "energy_distance": "Distance between the samples' and the held-out distribution; 0 when equal.",
    "sliced_wasserstein": "Mean distance that points would have to move, over many directions.",
}
