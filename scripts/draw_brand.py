"""Draw the brand images of the integration: a telephone receiver that rings with light.

Home Assistant serves them from the integration's ``brand`` folder, and two of them stand for
the app in its store. Run by hand when the design changes, in the environment of
``scripts/environment.py newest``:

    python -m scripts.draw_brand FONT.ttf

The font draws the name; M+ 1p (a free font, Debian's fonts-mplus) was used.
"""

import math
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

BRAND = Path(__file__).resolve().parent.parent / "custom_components" / "hikari_denwa" / "brand"
APP = BRAND.parents[2] / "app"
SIDE = 2048
ICON_SIDE = 512
LOGO_HEIGHT = 256
NAME = "Hikari Denwa"

type Color = tuple[int, int, int]


@dataclass(frozen=True)
class Palette:
    """Colours for one background: the receiver from top to bottom, the light, the name."""

    top: Color
    bottom: Color
    light: Color
    name: Color


ON_LIGHT = Palette((38, 99, 235), (30, 41, 120), (251, 176, 36), (30, 41, 100))
ON_DARK = Palette((147, 197, 253), (79, 130, 246), (253, 211, 77), (241, 245, 255))


def _receiver() -> Image.Image:
    """Return the receiver's shape as a mask: a bow with an ear and a mouth piece."""
    mask = Image.new("L", (SIDE, SIDE), 0)
    draw = ImageDraw.Draw(mask)
    centre, radius, width = SIDE / 2, SIDE * 0.37, SIDE * 0.15
    top = SIDE * 0.22
    draw.arc(
        (centre - radius, top, centre + radius, top + 2 * radius * 0.86),
        180,
        360,
        fill=255,
        width=int(width),
    )
    foot = top + radius * 0.86
    for side in (-1, 1):
        inner = centre + side * radius * 0.42
        outer = centre + side * radius * 1.06
        left, right = sorted((inner, outer))
        draw.rounded_rectangle(
            (left, foot - SIDE * 0.045, right, foot + SIDE * 0.135), SIDE * 0.055, fill=255
        )
    return mask.rotate(135, resample=Image.Resampling.BICUBIC, center=(centre, centre))


def _rays() -> Image.Image:
    """Return the light's shape as a mask: round strokes that leave one point."""
    mask = Image.new("L", (SIDE, SIDE), 0)
    draw = ImageDraw.Draw(mask)
    x0, y0 = SIDE * 0.44, SIDE * 0.56
    half = SIDE * 0.038
    for degrees, begin, end in (
        (20, 0.21, 0.38),
        (45, 0.21, 0.44),
        (70, 0.21, 0.38),
    ):
        angle = math.radians(degrees)
        points = [
            (x0 + SIDE * length * math.cos(angle), y0 - SIDE * length * math.sin(angle))
            for length in (begin, end)
        ]
        draw.line(points, fill=255, width=int(2 * half))
        for x, y in points:
            draw.ellipse((x - half, y - half, x + half, y + half), fill=255)
    return mask


def _gradient(top: Color, bottom: Color) -> Image.Image:
    """Return a square that runs from one colour to the other."""
    column = Image.new("RGB", (1, SIDE))
    for y in range(SIDE):
        share = y / (SIDE - 1)
        column.putpixel(
            (0, y), tuple(round(a + (b - a) * share) for a, b in zip(top, bottom, strict=True))
        )
    return column.resize((SIDE, SIDE))


def icon(palette: Palette) -> Image.Image:
    """Return the icon at full size, cut to its square."""
    image = Image.new("RGBA", (SIDE, SIDE), (0, 0, 0, 0))
    image.paste(_gradient(palette.top, palette.bottom), mask=_receiver())
    image.paste(palette.light, (0, 0, SIDE, SIDE), mask=_rays())
    left, top, right, bottom = image.getbbox() or (0, 0, SIDE, SIDE)
    side = max(right - left, bottom - top)
    square = Image.new("RGBA", (side, side), (0, 0, 0, 0))
    square.paste(
        image.crop((left, top, right, bottom)),
        ((side - (right - left)) // 2, (side - (bottom - top)) // 2),
    )
    return square


def logo(palette: Palette, font_file: Path) -> Image.Image:
    """Return the icon with the name beside it, cut to its edges."""
    height = LOGO_HEIGHT * 4
    sign = icon(palette).resize((height, height), Image.Resampling.LANCZOS)
    font = ImageFont.truetype(font_file, int(height * 0.56))
    left, top, right, bottom = font.getbbox(NAME)
    gap = int(height * 0.16)
    image = Image.new("RGBA", (height + gap + int(right - left), height), (0, 0, 0, 0))
    image.paste(sign, (0, 0))
    ImageDraw.Draw(image).text(
        (height + gap - left, (height - (bottom - top)) / 2 - top),
        NAME,
        font=font,
        fill=(*palette.name, 255),
    )
    return image.crop(image.getbbox())


def main() -> None:
    """Write every image that Home Assistant asks for."""
    font_file = Path(sys.argv[1])
    BRAND.mkdir(parents=True, exist_ok=True)
    for prefix, palette in (("", ON_LIGHT), ("dark_", ON_DARK)):
        for kind, image, height in (
            ("icon", icon(palette), ICON_SIDE // 2),
            ("logo", logo(palette, font_file), LOGO_HEIGHT // 2),
        ):
            for suffix, scale in (("", 1), ("@2x", 2)):
                size = (round(image.width * height * scale / image.height), height * scale)
                image.resize(size, Image.Resampling.LANCZOS).save(
                    BRAND / f"{prefix}{kind}{suffix}.png", optimize=True
                )
    for kind in ("icon", "logo"):
        shutil.copy(BRAND / f"{kind}.png", APP)


if __name__ == "__main__":
    main()
