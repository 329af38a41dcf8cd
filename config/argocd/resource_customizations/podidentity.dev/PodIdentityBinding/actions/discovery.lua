-- Under rollout.policy: Manual a person releases the restarts of each generation.
local waits = false
for _, condition in ipairs((obj.status or {}).conditions or {}) do
  if condition.type == "Stalled" and condition.status == "True" and condition.reason == "AwaitingRelease" then
    waits = obj.status.observedGeneration == obj.metadata.generation
  end
end
return { release = { disabled = not waits } }
