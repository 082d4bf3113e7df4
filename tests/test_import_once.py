"""Importing hwsim: once in a process, by the main interpreter, in whichever thread."""

from __future__ import annotations

import pytest

from conftest import run_script

# legacy(), which shares the GIL and everything static, and isolated(): a sub-interpreter runs code.
SUBINTERPRETERS = """
    import sys

    if sys.version_info >= (3, 13):
        import _interpreters

        def run(config, code):
            interpreter = _interpreters.create(config)
            error = _interpreters.run_string(interpreter, code)
            _interpreters.destroy(interpreter)
            return f"{error.type.__name__}: {error.msg}" if error else ""

        def legacy(code):
            return run("legacy", code)

        def isolated(code):
            return run("isolated", code)

    else:
        import _xxsubinterpreters

        def run(isolated, code):
            interpreter = _xxsubinterpreters.create(isolated=isolated)
            try:
                _xxsubinterpreters.run_string(interpreter, code)
                return ""
            except _xxsubinterpreters.RunFailedError as error:
                return str(error)
            finally:
                _xxsubinterpreters.destroy(interpreter)

        def legacy(code):
            return run(False, code)

        def isolated(code):
            return run(True, code)

    def check(run):
        for code in ("import hwsim", "import hwsim._native", "from hwsim import errors"):
            error = run(code)
            assert "ImportError" in error and "interpreter" in error, (code, error)

    def use():
        import hwsim

        done = []
        with hwsim.open("hwsim://main?latency=0s&timer=1ms") as device:
            device.on_event(done.append)
            device.calibrate(0, samples=2**20, progress=lambda *_: None)
            while not done:
                device[0x40] = 1
            try:
                device.read_register(0x41)
            except hwsim.HwsimError:
                return
        raise AssertionError
"""
ORDERS = {
    "main-first": "use(); check(legacy); use(); check(isolated); use()",
    "sub-first": "check(legacy); check(isolated); use(); check(legacy); use()",
}


@pytest.mark.parametrize("order", ORDERS)
def test_a_sub_interpreter_is_refused_with_the_reason(order: str) -> None:
    """In either order, and the main interpreter is none the worse."""
    run_script(ORDERS[order], setup=SUBINTERPRETERS).check()


def test_a_legacy_sub_interpreter_is_told_what_to_do() -> None:
    output = run_script('print(legacy("import hwsim"))', setup=SUBINTERPRETERS).check()
    assert "works in the main interpreter alone" in output
    assert "a process of its own" in output


# -------------------------------------------------------------------------------- imported again

AGAIN = """
    import gc, importlib, pickle, sys
    from unittest import mock
    import hwsim, hwsim.record

    def forget(which):
        for name in [name for name in sys.modules if which(name)]:
            del sys.modules[name]

    first = hwsim
    device = hwsim.open("hwsim://first?latency=0s&clock=manual")
    {again}
    import hwsim

    # Whatever imported what: errors of a device are caught by the names of each.
    again = hwsim.open("hwsim://again?latency=0s&clock=manual")
    for opened in (device, again):
        for package in (first, hwsim):
            for error in (package.HwsimError, package.errors.HwsimError,
                          package.errors.AddressError, IndexError):
                try:
                    opened.read_register(0x41)
                except error as caught:
                    copied = pickle.loads(pickle.dumps(caught))
                    assert type(copied) is type(caught) and copied.device == caught.device
    import hwsim.errors
    assert issubclass(hwsim.errors.AddressError, first.HwsimError)
    with again.events() as events:
        again.trigger()
        assert isinstance(next(events), first.Event)
    done = []
    with again.on_event(done.append, on_error="raise"):
        again.trigger(5)
        while not done:
            device[0x40] = 1
    gc.collect()
"""
WAYS = {
    "all": "forget(lambda name: name.startswith('hwsim'))",
    "package": "del sys.modules['hwsim']",
    "errors": "del sys.modules['hwsim.errors']",
    "native": "del sys.modules['hwsim._native']",
    "native-and-package": "del sys.modules['hwsim._native'], sys.modules['hwsim']",
    "all-but-native": """forget(lambda n: n.startswith('hwsim') and n != 'hwsim._native')""",
    "reload": "importlib.reload(hwsim)",
    "reload-errors": "importlib.reload(hwsim.errors)",
    "reload-native": "importlib.reload(hwsim._native)",
}


@pytest.mark.parametrize("way", WAYS)
def test_imported_again_there_is_one_set_of_error_classes(way: str) -> None:
    run_script(AGAIN.format(again=WAYS[way])).check()


def test_imported_again_the_package_is_the_same_with_all_its_modules() -> None:
    """As test runners do that clean sys.modules, or mock.patch.dict() around the first import."""
    run_script("""
        import sys
        from unittest import mock

        with mock.patch.dict(sys.modules):
            import hwsim, hwsim.record
            before = {name: module for name, module in sys.modules.items()
                      if name.partition(".")[0] == "hwsim"}
        assert "hwsim" not in sys.modules
        from hwsim import Device, errors
        import hwsim.record as record
        import hwsim as again
        for name, module in before.items():
            assert sys.modules[name] is module, name
        assert record is before["hwsim.record"]
        for name in again.__all__:
            assert getattr(again, name) is getattr(before["hwsim"], name), name
        import hwsim
        assert hwsim is before["hwsim"]
        assert Device is before["hwsim.device"].Device and errors is before["hwsim.errors"]
    """).check()


def test_import_that_was_interrupted_is_made_again() -> None:
    run_script("""
        import sys

        class Interrupting:
            def find_spec(self, name, *_):
                if name == "hwsim.stream":
                    sys.meta_path.remove(self)
                    raise KeyboardInterrupt

        sys.meta_path.insert(0, Interrupting())
        try:
            from hwsim import Device
        except KeyboardInterrupt:
            pass
        import hwsim
        hwsim.open("hwsim://a?latency=0s").close()
        for name in [name for name in sys.modules if name.startswith("hwsim")]:
            del sys.modules[name]
        import hwsim as again
        assert again.Device is hwsim.Device
        again.open("hwsim://b?latency=0s").close()
    """).check()
