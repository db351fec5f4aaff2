import zerosum


def test_public_names_are_there_and_nothing_else() -> None:
    assert zerosum.__all__ == ["Recipe", "Sampler", "get_recipe", "load", "train"]
    for name in zerosum.__all__:
        assert getattr(zerosum, name).__doc__


def test_submodules_do_not_hide_public_names() -> None:
    import zerosum.training.loop

    assert callable(zerosum.train)
    assert callable(zerosum.load)
