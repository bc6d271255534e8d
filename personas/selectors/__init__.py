"""What pages, exports and commands read: one function a question, built from the store port and the champion."""
