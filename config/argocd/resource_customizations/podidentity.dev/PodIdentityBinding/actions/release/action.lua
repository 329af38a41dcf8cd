-- Releases the restarts of this generation, and of no later one.
if obj.metadata.annotations == nil then
  obj.metadata.annotations = {}
end
obj.metadata.annotations["podidentity.dev/release"] = tostring(obj.metadata.generation)
return obj
