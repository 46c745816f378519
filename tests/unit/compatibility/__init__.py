"""Tests of the verdict before dialling and of what past calls taught."""
