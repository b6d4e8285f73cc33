"""Numbers as people read them; whatever is not finite is a dash."""

import math

DASH = "–"
MINUS = "−"
GAP = "\u202f"  # narrow, does not break: 31 % stays on one line


def number(value: float) -> str:
    """A number with as many digits as matter.

    Example:
        >>> number(1234.5), number(24.99), number(120.0), number(math.nan)
        ('1,234', '24.99', '120', '–')
    """
    if not math.isfinite(value):
        return DASH
    size = abs(value)
    if size >= 1e9 or 0 < size < 1e-3:
        mantissa, _, exponent = f"{value:.1e}".partition("e")
        return _minus(f"{mantissa}e{int(exponent)}")
    if size >= 1000 or value == round(value):
        return _minus(f"{value:,.0f}")
    if size >= 100:
        return _minus(f"{value:,.1f}")
    return _minus(f"{value:,.2f}" if size >= 0.1 else f"{value:.3f}")


def short(value: float) -> str:
    """A count that was estimated, without digits that say nothing: 99.6 becomes 100, 4.27 4.3."""
    if not math.isfinite(value) or abs(value) >= 10:
        return number(round(value)) if math.isfinite(value) else DASH
    return _minus(f"{value:.1f}".removesuffix(".0"))


def rough(value: float, *, whole: bool = False) -> str:
    """A forecast with the two digits that it can claim; whole where it counts things.

    Example:
        >>> rough(1234.5), rough(118.0), rough(24.99), rough(4.27), rough(4.27, whole=True)
        ('1,200', '120', '25', '4.3', '4')
    """
    size = abs(value)
    if not math.isfinite(value) or size >= 1e9 or 0 < size < 1e-3:
        return number(value)
    if size == 0 or (whole and size < 10):
        return number(round(value))
    rounded = float(f"{value:.1e}")
    digits = max(0, 1 - math.floor(math.log10(abs(rounded))))
    return _minus(f"{rounded:,.{digits}f}")


def decimals(value: float, *, digits: int = 3) -> str:
    """A number around one with fixed decimals, so that a column of them lines up."""
    if not math.isfinite(value) or abs(value) >= 1000:
        return number(value)
    return _minus(f"{value:.{digits}f}")


def percent(value: float, *, digits: int = 1) -> str:
    """A share as a percentage.

    Example:
        >>> percent(0.314).replace(GAP, " ")
        '31.4 %'
    """
    if not math.isfinite(value):
        return DASH
    shown = 100.0 * value
    text = number(shown) if abs(shown) >= 1000 else _minus(f"{shown:.{digits}f}")
    return f"{text}{GAP}%"


def duration(seconds: float) -> str:
    """A time with its two largest units.

    Example:
        >>> [duration(value).replace(GAP, " ") for value in (0.42, 42.0, 95.0, 5400.0, 200000.0)]
        ['0.4 s', '42 s', '1 min 35 s', '1 h 30 min', '55 h 33 min']
    """
    if not math.isfinite(seconds):
        return DASH
    if seconds < 10:
        return f"{short(seconds)}{GAP}s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole}{GAP}s"
    if whole < 3600:
        return f"{whole // 60}{GAP}min {whole % 60}{GAP}s"
    minutes = round(seconds / 60)
    return f"{number(minutes // 60)}{GAP}h {minutes % 60}{GAP}min"


def signed(text: str) -> str:
    """The same text with a plus in front of what is above zero."""
    digits = any(mark in "123456789" for mark in text)
    return f"+{text}" if digits and text[0] != MINUS else text


def compact(value: float) -> str:
    """A short tick label.

    Example:
        >>> [compact(value) for value in (0.5, 20.0, 2500.0, 3e6, 1e12)]
        ['0.5', '20', '2.5k', '3M', '1e12']
    """
    for size, sign in ((1e9, ""), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            if not sign:
                return _minus(f"{value:.3g}".replace("e+", "e"))
            return _minus(f"{value / size:.3g}{sign}")
    return _minus(f"{value:.3g}")


def _minus(text: str) -> str:
    zero = not any(mark in "123456789" for mark in text)
    return text.lstrip("-") if zero else text.replace("-", MINUS)
