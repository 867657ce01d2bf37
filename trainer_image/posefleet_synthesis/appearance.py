"""Colours, light and optics of a recording."""

from dataclasses import dataclass

import numpy as np

Colour = tuple[float, float, float]


@dataclass(frozen=True)
class Appearance:
    """Colours are linear RGB from 0 to 1."""

    back: Colour
    belly: Colour
    skin: Colour
    eye: Colour
    wall: Colour
    belt: Colour
    glass: Colour
    metal: Colour
    light: tuple[float, float, float]
    """Direction to the lamp in the side camera's axes: right, down, towards the camera."""
    ambient: float
    exposure: float
    noise: float
    """Standard deviation of the sensor's noise, of 255."""
    grain: float
    """Contrast of the coat's hairs."""


DAY = Appearance(
    back=(0.34, 0.25, 0.17),
    belly=(0.74, 0.68, 0.60),
    skin=(0.80, 0.56, 0.52),
    eye=(0.03, 0.03, 0.035),
    wall=(0.46, 0.50, 0.53),
    belt=(0.27, 0.29, 0.31),
    glass=(0.22, 0.26, 0.29),
    metal=(0.42, 0.43, 0.45),
    light=(-0.35, -0.75, 0.55),
    ambient=0.42,
    exposure=1.0,
    noise=3.2,
    grain=0.30,
)

#: Another animal under another lamp, for the out-of-distribution frames.
DUSK = Appearance(
    back=(0.16, 0.15, 0.16),
    belly=(0.34, 0.32, 0.33),
    skin=(0.66, 0.47, 0.45),
    eye=(0.02, 0.02, 0.02),
    wall=(0.52, 0.42, 0.32),
    belt=(0.36, 0.31, 0.26),
    glass=(0.33, 0.27, 0.21),
    metal=(0.52, 0.47, 0.40),
    light=(0.6, -0.55, 0.5),
    ambient=0.34,
    exposure=0.82,
    noise=5.0,
    grain=0.36,
)


def varied(appearance: Appearance, source: np.random.Generator) -> Appearance:
    """The same set-up on another day: coat, lamp and exposure a little different."""
    tint = source.uniform(0.94, 1.06, size=3)
    shade = float(source.uniform(0.88, 1.12))
    right, down, near = appearance.light
    return Appearance(
        **{
            **vars(appearance),
            "back": tuple(float(c) for c in np.array(appearance.back) * tint * shade),
            "belly": tuple(float(c) for c in np.array(appearance.belly) * (2.0 + tint) / 3.0),
            "light": (right + float(source.uniform(-0.15, 0.15)), down, near),
            "exposure": appearance.exposure * float(source.uniform(0.94, 1.06)),
        }
    )
