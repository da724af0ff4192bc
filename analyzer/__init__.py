"""What does the notebook need to serve? Static: nothing of the notebook is executed."""
