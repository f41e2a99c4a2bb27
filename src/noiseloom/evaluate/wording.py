"""What figures and facts are called, in words: shared by the report and the model card."""

from __future__ import annotations

from dataclasses import dataclass

from noiseloom.evaluate.facts import Facts, ItemKind


@dataclass(frozen=True)
class Meaning:
    """A metric's name and what it says, in a sentence; `unit_share` marks those between 0 and 1."""

    title: str
    sentence: str
    unit_share: bool = False


MEANINGS = {
    "frechet_distance": Meaning(
        "Fréchet distance",
        "How far the samples as a whole lie from held-out images, quality and variety together. "
        "Lower is better; what real images score is as good as it gets.",
    ),
    "frechet_distance_extrapolated": Meaning(
        "Fréchet distance, endless samples",
        "The same with the error of a limited number of samples taken off.",
    ),
    "kernel_distance": Meaning(
        "Kernel distance",
        "The same question asked another way. Lower is better; around 0, where it may be slightly "
        "negative, samples and held-out images cannot be told apart.",
    ),
    "energy_distance": Meaning(
        "Energy distance",
        "How far the samples as a whole lie from held-out points. Lower is better, 0 is the same.",
    ),
    "sliced_wasserstein": Meaning(
        "Sliced Wasserstein distance",
        "How far samples must be moved, on average over directions, to become held-out points.",
    ),
    "precision": Meaning(
        "Precision", "The share of samples that look like something real.", unit_share=True
    ),
    "recall": Meaning(
        "Recall",
        "The share of real data that some sample comes close to: low when the model leaves "
        "things out.",
        unit_share=True,
    ),
    "label_agreement": Meaning(
        "Label agreement",
        "How often a classifier reads in a sample the label that was asked for; beside it, how "
        "often it reads real held-out data right.",
        unit_share=True,
    ),
    "accuracy": Meaning(
        "Accuracy", "The share of held-out items whose class is read right.", unit_share=True
    ),
    "macro_f1": Meaning(
        "Macro-F1",
        "The mean over classes of F1, precision and recall together: a rare class counts as much "
        "as a frequent one. Higher is better.",
        unit_share=True,
    ),
    "expected_calibration_error": Meaning(
        "Expected calibration error",
        "How far the share of right answers is, on average, from the confidence they were given "
        "with. Lower is better; 0 means it is right as often as it is sure.",
        unit_share=True,
    ),
    "bits_per_dim": Meaning(
        "Bits per dimension",
        "How many bits a number of a held-out image takes, told after all those before it, "
        "exactly. Lower is better.",
    ),
    "bits_per_byte": Meaning(
        "Bits per byte",
        "How many bits a byte of held-out text takes, told what stands before it: the same "
        "question whatever a token is. Lower is better; 8 is knowing nothing.",
    ),
    "nats_per_token": Meaning(
        "Nats per token",
        "The same per token, and in nats of 1.44 bits: comparable between models of the same "
        "tokens alone. Lower is better.",
    ),
    "copied_share": Meaning(
        "Copied",
        "The share of what it writes, 20 characters in a row, that stands in the training text. "
        "Above that of held-out text it copies.",
        unit_share=True,
    ),
    "repeated_share": Meaning(
        "Repeated",
        "The share of four words in a row that the same text has had before. Above that of "
        "held-out text it goes in circles.",
        unit_share=True,
    ),
    "distinct_share": Meaning(
        "Distinct",
        "Different pairs of words over all pairs, in all texts it writes. Below that of held-out "
        "text it says less.",
        unit_share=True,
    ),
    "nats_per_masked_token": Meaning(
        "Nats per masked token",
        "How unlikely it finds what is hidden, in nats of 1.44 bits: also how sure it is counts. "
        "Lower is better.",
    ),
    "masked_accuracy": Meaning(
        "Masked tokens",
        "The share of hidden tokens of held-out text that it names. Higher is better.",
        unit_share=True,
    ),
    "pearson": Meaning(
        "Pearson correlation",
        "How far estimates and the truth lie on one line. 1 is wholly, 0 not at all.",
    ),
    "spearman": Meaning(
        "Spearman correlation",
        "How far estimates and the truth are in the same order. 1 is wholly, 0 not at all.",
    ),
    "rmse": Meaning(
        "Root mean squared error",
        "How far estimates are off, large errors weighing more, in the unit of the numbers. Lower "
        "is better.",
    ),
    "sacrebleu": Meaning(
        "BLEU (sacreBLEU)",
        "How much of what it writes, up to four words in a row, stands in the reference "
        "translation, on raw text, 0 to 100. Higher is better.",
    ),
    "bleu_tokenised": Meaning(
        "BLEU, tokenised and lower-cased",
        "The same with words split and lower-cased first, as older papers give it. It is higher.",
    ),
    "chrf": Meaning(
        "chrF",
        "The same of characters, precision and recall together, 0 to 100: endings count for "
        "something. Higher is better.",
    ),
    "f1": Meaning(
        "F1",
        "How far the words of an answer are those of the right one, by the rule of SQuAD. Higher "
        "is better.",
        unit_share=True,
    ),
    "exact_match": Meaning(
        "Exact match",
        "The share of answers that are a right one to the letter, articles, case and punctuation "
        "aside, by the rule of SQuAD.",
        unit_share=True,
    ),
    "squared_error": Meaning(
        "Squared error",
        "Of a pixel's value (0 to 1), as a mean over held-out images. Lower is better.",
    ),
    "psnr": Meaning(
        "Peak signal-to-noise ratio, dB",
        "The same error on a scale where 10 dB more is a tenth of it. Higher is better.",
    ),
    "ssim": Meaning(
        "Structural similarity",
        "How like the brightness, contrast and shape of small windows are. 1 is the same.",
    ),
    "latent_nats": Meaning(
        "Nats in the latents",
        "How much an image's latents tell, at most, beside noise of the standard normal.",
    ),
    "codes_used": Meaning(
        "Codes used", "The share of the book's codes that held-out images use.", unit_share=True
    ),
    "code_perplexity": Meaning(
        "Code perplexity", "How many codes there would be, were all in use equally frequent."
    ),
    "joint_accuracy": Meaning(
        "Right in all",
        "The share of pictures that hold as many objects as their prompt asks for, each with the "
        "shape, colour, size and place asked for.",
        unit_share=True,
    ),
    "held_out_joint_accuracy": Meaning(
        "Right in all, pairs never seen",
        "The same of prompts for a colour and a shape that training never showed together.",
        unit_share=True,
    ),
    "one_more_joint_accuracy": Meaning(
        "Right in all, one object more",
        "The same of prompts for one object more than training ever shows.",
        unit_share=True,
    ),
    "shuffled_prompt_joint_accuracy": Meaning(
        "Right by another prompt",
        "The same of each picture by another's prompt: no more than chance, if prompts matter.",
        unit_share=True,
    ),
    "count_accuracy": Meaning(
        "Count",
        "The share of pictures, or of frames, with as many things as there should be.",
        unit_share=True,
    ),
    "shape_accuracy": Meaning(
        "Shape", "The share of objects asked for that have their shape.", unit_share=True
    ),
    "colour_accuracy": Meaning(
        "Colour", "The share of objects asked for that have their colour.", unit_share=True
    ),
    "size_accuracy": Meaning(
        "Size", "The share of objects asked for that have the size asked for.", unit_share=True
    ),
    "position_accuracy": Meaning(
        "Place", "The share of places asked for in which the object stands.", unit_share=True
    ),
    "relation_accuracy": Meaning(
        "Relation",
        "The share of relations asked for (left of, above, …) that hold.",
        unit_share=True,
    ),
    "trajectory_error_px": Meaning(
        "Trajectory error, pixels",
        "How far the digit is, in the frames that were made, from where the law of its motion has "
        "it. Lower is better.",
    ),
    "identity_accuracy": Meaning(
        "Identity kept",
        "The share of frames made in which a reader of digits reads the one that the clip is of.",
        unit_share=True,
    ),
    "frame_error": Meaning(
        "Frame error",
        "How far pixels (0 to 1) are from what came in the real clip, root mean square. Lower is "
        "better.",
    ),
    "frechet_video_distance": Meaning(
        "Fréchet distance of clips",
        "How far the clips as a whole lie from held-out clips, in features learned on the training "
        "clips. Lower is better.",
    ),
    "digit_accuracy": Meaning(
        "Digit as asked",
        "The share of clips that show the digit of their caption.",
        unit_share=True,
    ),
    "direction_accuracy": Meaning(
        "Direction as asked",
        "The share of clips whose digit sets out the way that their caption tells.",
        unit_share=True,
    ),
    "digit_and_direction_accuracy": Meaning(
        "Digit and direction as asked", "The share of clips with both.", unit_share=True
    ),
    "shuffled_prompt_accuracy": Meaning(
        "The same by another caption",
        "The same of each clip judged by another's caption: chance, unless captions do not matter.",
        unit_share=True,
    ),
    "speed_accuracy": Meaning(
        "Speed as asked",
        "The share of clips as slow or fast as their caption tells.",
        unit_share=True,
    ),
    "nearest_train_ratio": Meaning(
        "Distance to training data",
        "How far samples are from the nearest training item, measured by how far unseen real "
        "items are. About 1 for new work, near 0 for copies.",
    ),
}


def meaning(name: str) -> Meaning:
    """Of any metric, also one this file does not know."""
    return MEANINGS.get(name) or Meaning(name.replace("_", " ").capitalize(), "")


# Numbers -----------------------------------------------------------------------------------------


def number(value: object) -> str:
    """Three significant digits; a dash for what is no number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return "–"
    if isinstance(value, int) or abs(value) >= 1000:
        return f"{value:,.0f}"
    return "0" if value == 0 else f"{value:.3g}" if abs(value) >= 1e-3 else f"{value:.2g}"


def figure(name: str, value: object) -> str:
    """A metric's value: shares as percentages."""
    if meaning(name).unit_share and isinstance(value, int | float):
        return f"{value:.1%}"
    return number(value)


def duration(seconds: float) -> str:
    """`45 s`, `2 min 5 s`, `1 h 3 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"


def count_in_words(count: float) -> str:
    """`1.0 million`, `12,345`."""
    return f"{count / 1e6:,.1f} million" if count >= 1e6 else f"{count:,.0f}"


NOUNS: dict[ItemKind, str] = {
    "images": "images",
    "points": "points",
    "texts": "rows of text",
    "series": "series",
    "clips": "clips",
}


def items_in_words(facts: Facts) -> str:
    """`10,000 images of 28 × 28 in grey, 10 classes`; what is not known is left out.

    Of a text to be learned token by token: `1.0 million characters of text, 65 different ones`.
    """
    shape, counts = facts.data.get("item_shape") or [], facts.data.get("counts") or {}
    if facts.data.get("unit") == "tokens" and isinstance(counts.get("train"), int):
        kind = str(facts.recipe.get("data.tokenizer") or "")
        noun = kind if kind in ("bytes", "characters") else f"{kind} tokens".strip()
        words = f"{count_in_words(counts['train'])} {noun} of text"
        pieces = facts.data.get("pieces")
        return f"{words}, {pieces:,} different ones" if isinstance(pieces, int) else words
    count = f"{counts['train']:,} " if isinstance(counts.get("train"), int) else ""
    words = f"{count}{NOUNS[facts.items]}"
    if facts.items == "images" and len(shape) == 3:
        height, width, channels = shape
        shapes = len(facts.data.get("buckets") or {})
        of = f"in {shapes} shapes of about" if shapes > 1 else "of"
        words += f" {of} {width} × {height} in {'grey' if channels == 1 else 'colour'}"
    if facts.items == "clips" and len(shape) == 4:
        frames, height, width, channels = shape
        grey = "grey" if channels == 1 else "colour"
        words += f" of {frames} frames, {width} × {height} in {grey}"
    classes = len(facts.class_names)
    return f"{words}, {classes} classes" if classes > 1 else words


def task_in_words(facts: Facts) -> str:
    """`image generation by class`, `image classification`."""
    task = str(facts.recipe.get("task.name") or facts.recipe.get("task") or "an unnamed task")
    words = task.replace("-", " ").removeprefix("unconditional ")
    if facts.is_points:
        words = words.replace("image", "point")
    by_class = facts.answers == "items" and len(facts.class_names) > 1
    return f"{words} by class" if by_class else words


SETTINGS = (
    "patch",
    "width",
    "depth",
    "encoder_depth",
    "decoder_depth",
    "heads",
    "downsample",
    "latent_channels",
)


def network_in_words(facts: Facts) -> str:
    """`dit (patch 7, width 128, depth 4)`: the network's word and its settings."""
    network = facts.recipe.get("network")
    if not isinstance(network, dict):
        return str(network or "")
    settings = [
        f"{key.replace('_', ' ')} {value}" for key, value in network.items() if key in SETTINGS
    ]
    name = str(network.get("name", "network"))
    return f"{name} ({', '.join(settings)})" if settings else name
