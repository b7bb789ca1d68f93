"""Fashion Lab: learn by doing how an image classifier for clothes is made, and what it costs."""

__version__ = "0.1.0"
