"""The one transformer core: every text model and every image or video denoiser is built from it."""
