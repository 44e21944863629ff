"""`segcritic models`: the models and boundary networks that come with segcritic."""


def models(name: str | None = None, /) -> None:
    """List the models and the boundary networks that come with segcritic, or show the card of one.

    Parameters
    ----------
    name
        A model's name or folder: show its whole card.
    """
    from segcritic import boundary_net
    from segcritic.models import load
    from segcritic.training.folder import shipped

    networks = boundary_net.shipped()
    if name is not None and (name in networks or boundary_net.is_network(name)):
        print(boundary_net.load(name).card.strip())
        return
    if name is not None:
        print(load(name, allow_python=True).card.strip())
        return
    found = shipped()
    if not found:
        print("No models come with this version. Train your own: segcritic train --help")
    for title, text in found.items():
        print(f"{title}: {text}")
    for title, text in networks.items():
        print(f"{title} (for segcritic boundaries): {text}")
