import { join } from "node:path";
import type { MetadataServer } from "../../agent/testing/metadata-server.ts";
import { openFolderStore } from "../../store/folder.ts";
import type { ObjectStore } from "../../store/object-store.ts";
import { processesOf, startLocally } from "./local-place.ts";
import type { Place } from "./scenario.ts";
import type { World } from "./world.ts";

/** The embedded runner: both places are folders below `folder`. `metadata` is that of every job's instance. */
export function embeddedWorld(folder: string, metadata: MetadataServer): World {
  const stores = new Map<Place, Promise<ObjectStore>>();
  const store = (place: Place): Promise<ObjectStore> => {
    const opened = stores.get(place) ?? openFolderStore(join(folder, place));
    stores.set(place, opened);
    return opened;
  };
  return {
    store,
    start: async (run, execution) => startLocally(await store(execution.where), run, execution, metadata),
    remains: async () =>
      (
        await Promise.all(
          (["stack", "folder"] as const).map(async (place) => processesOf(await store(place))),
        )
      ).flat(),
  };
}
