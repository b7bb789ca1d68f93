"""What a visitor can cause and the app answers in words.

FashionError
├── SettingsError   a setting out of range, contradictory or unknown (also a ValueError)
├── DataError       a dataset that is missing, damaged, or could not be downloaded
├── PhotoError      an upload that is not a picture we can read
├── RunError        a run folder that is missing, half written, or not ours
├── ModelError      a model file that is damaged or does not fit its card
└── JobError        a job that cannot be accepted now, e.g. the queue is full

Every message has three parts: what was expected, what was received, what to do. Anything that is
not a FashionError is a fault of ours and stays visible in the log.
"""


class FashionError(Exception):
    """Base of all errors whose text is written for the visitor."""


class SettingsError(FashionError, ValueError):
    """A setting is out of range, contradicts another, or is unknown."""


class DataError(FashionError):
    """A dataset is missing, damaged, or could not be downloaded."""


class PhotoError(FashionError):
    """An upload is not a picture that we can read."""


class RunError(FashionError):
    """A run folder is missing, half written, from another version, or not ours."""


class ModelError(FashionError):
    """A model file is damaged or does not fit its card."""


class JobError(FashionError):
    """A job cannot be accepted now."""
