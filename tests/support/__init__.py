"""What several suites share: fakes, stand-ins, factories."""
