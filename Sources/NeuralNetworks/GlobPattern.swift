/// Whether a name fits a pattern in which `*` stands for any run of characters.
public func globMatches(_ pattern: String, _ name: String) -> Bool {
  let (p, n) = (Array(pattern.utf8), Array(name.utf8))
  var (i, j) = (0, 0)
  var star: (pattern: Int, name: Int)?
  while j < n.count {
    if i < p.count, p[i] == UInt8(ascii: "*") {
      star = (i, j)
      i += 1
    } else if i < p.count, p[i] == n[j] {
      i += 1
      j += 1
    } else if let s = star {
      i = s.pattern + 1
      j = s.name + 1
      star = (s.pattern, s.name + 1)
    } else {
      return false
    }
  }
  while i < p.count, p[i] == UInt8(ascii: "*") { i += 1 }
  return i == p.count
}
