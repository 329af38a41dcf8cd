-- Health of a PodIdentityBinding: Healthy means that all is as declared and every pod was proven to have the role.
local hs = { status = "Progressing", message = "Waiting for the operator to look at this generation" }

local status = obj.status or {}
if status.observedGeneration ~= obj.metadata.generation then
  return hs
end

-- Somebody decided to wait; nothing is broken.
local waits = { Suspended = true, AwaitingRelease = true, DryRun = true }

local ready, stalled
for _, condition in ipairs(status.conditions or {}) do
  if condition.type == "Ready" then
    ready = condition
  elseif condition.type == "Stalled" and condition.status == "True" then
    stalled = condition
  end
end

if stalled ~= nil then
  hs.message = stalled.message
  hs.status = waits[stalled.reason] and "Suspended" or "Degraded"
elseif ready ~= nil then
  hs.message = ready.message
  if ready.status == "True" then
    hs.status = "Healthy"
  end
end
return hs
