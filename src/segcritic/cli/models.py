"""`segcritic models`: the models that come with segcritic."""


def models(name: str | None = None, /) -> None:
    """List the models that come with segcritic, or show the card of one.

    Parameters
    ----------
    name
        A model's name or folder: show its whole card.
    """
    from segcritic.model_folder import shipped
    from segcritic.models import load

    if name is not None:
        print(load(name, allow_python=True).card.strip())
        return
    found = shipped()
    if not found:
        print("No models come with this version. Train your own: segcritic train --help")
    for title, text in found.items():
        print(f"{title}: {text}")
