"""As which user a container runs."""

from .environment import ConfigError
from .images import Image
from .objects import Manifest, key_of


def user_and_group(pod: Manifest, container: Manifest, image: Image) -> tuple[int, int]:
    """Return uid and gid. Raises ConfigError where ``runAsNonRoot`` forbids the user, as a kubelet does."""
    of_pod = pod["spec"].get("securityContext") or {}
    of_container = container.get("securityContext") or {}

    def setting(name: str) -> int | None:
        value = of_container.get(name, of_pod.get(name))
        return None if value is None else int(value)

    chosen = setting("runAsUser")
    uid = image.user if chosen is None else chosen
    group = setting("runAsGroup")
    if of_container.get("runAsNonRoot", of_pod.get("runAsNonRoot")) and uid == 0:
        where = f'(pod: "{key_of(pod)}", container: {container["name"]})'
        if chosen == 0:
            raise ConfigError(f"container's runAsUser breaks non-root policy {where}")
        raise ConfigError(f"container has runAsNonRoot and image will run as root {where}")
    return uid, uid if group is None else group
