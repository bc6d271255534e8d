"""What is to run, whatever it runs on."""
