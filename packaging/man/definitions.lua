-- For man pages, where a wide table cannot be read: each row becomes an entry, its first cell the term, the cells
-- between said with their columns' names, and the last one the text.

function Table(element)
  local simple = pandoc.utils.to_simple_table(element)
  local items = {}
  for _, row in ipairs(simple.rows) do
    local text = pandoc.List()
    for column = 2, #row do
      local cell = pandoc.utils.blocks_to_inlines(row[column])
      local name = pandoc.utils.stringify(simple.headers[column])
      if #cell > 0 and column < #row and name ~= "" then
        text:extend({pandoc.Str(name:gsub("^%l", string.upper) .. ":"), pandoc.Space()})
        text:extend(cell)
        text:extend({pandoc.Str("."), pandoc.Space()})
      else
        text:extend(cell)
      end
    end
    table.insert(items, {pandoc.utils.blocks_to_inlines(row[1]), {{pandoc.Plain(text)}}})
  end
  return pandoc.DefinitionList(items)
end

-- A link into the repository says nothing on a machine; its words do.
function Link(element)
  return element.content
end
