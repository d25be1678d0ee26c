"""Time spans as text."""


def time_span(seconds: float) -> str:
    """Return a time span for people, such as `40 s`, `3 min 20 s` or `2 h 5 min`."""
    if round(seconds) >= 3600:
        hours, minutes = divmod(round(seconds / 60), 60)
        return f"{hours} h {minutes} min"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
