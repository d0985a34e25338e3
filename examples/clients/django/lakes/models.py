"""The models of the application."""

from django.db import models


class Lake(models.Model):
    name = models.CharField(max_length=100, primary_key=True)
    depth = models.IntegerField(db_column="depth_m")
