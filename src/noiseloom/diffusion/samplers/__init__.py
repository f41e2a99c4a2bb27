"""Samplers: generator functions that walk from noise to data, one `Step` at a time.

    sampler(denoise, x, plan, schedule, random, *, settings of its own) -> Iterator[Step]

`plan` holds the times, float64, falling from t_max to t_min, or is a `Tolerance` for the adaptive
ones; the clean data is the last step's `x0`. Local variables are the only state: previews, progress
and cancelling are for whoever consumes the generator. Each calls the denoiser as often as it says
and never without need.
"""

from noiseloom.diffusion.samplers.adaptive import adaptive, adaptive_sde
from noiseloom.diffusion.samplers.deterministic import ddim, euler, heun
from noiseloom.diffusion.samplers.multistep import dpm_2m, dpm_2m_sde, dpm_3m, dpm_3m_sde, unipc
from noiseloom.diffusion.samplers.stochastic import ddpm, edm, predictor_corrector
from noiseloom.diffusion.samplers.walking import Sampler, Step, Tolerance
from noiseloom.diffusion.spacings import plan_times

__all__ = ["SAMPLERS", "Sampler", "Step", "Tolerance", "plan_times"]
__all__ += ["ddim", "euler", "heun", "dpm_2m", "dpm_3m", "unipc", "adaptive"]
__all__ += ["ddpm", "edm", "dpm_2m_sde", "dpm_3m_sde", "predictor_corrector", "adaptive_sde"]

SAMPLERS: dict[str, Sampler] = {
    "ddpm": ddpm,
    "ddim": ddim,
    "euler": euler,
    "heun": heun,
    "dpm++2m": dpm_2m,
    "dpm++3m": dpm_3m,
    "dpm++2m-sde": dpm_2m_sde,
    "dpm++3m-sde": dpm_3m_sde,
    "unipc": unipc,
    "edm": edm,
    "predictor-corrector": predictor_corrector,
    "adaptive": adaptive,
    "adaptive-sde": adaptive_sde,
}
