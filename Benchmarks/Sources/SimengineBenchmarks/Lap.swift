import Foundation
import Glibc

/// What pieces of work took, in seconds.
struct Lap {
  var count = 0
  var wall = 0.0
  /// Processor time of all threads of this process.
  var processor = 0.0

  var meanWall: Double { wall / Double(count) }
  var meanProcessor: Double { processor / Double(count) }

  static func += (a: inout Lap, b: Lap) {
    a.count += b.count
    a.wall += b.wall
    a.processor += b.processor
  }

  static func of(_ work: () throws -> Void) rethrows -> Lap {
    let wall = seconds()
    let processor = seconds(CLOCK_PROCESS_CPUTIME_ID)
    try work()
    return Lap(count: 1, wall: seconds() - wall, processor: seconds(CLOCK_PROCESS_CPUTIME_ID) - processor)
  }
}

func seconds(_ clock: clockid_t = CLOCK_MONOTONIC) -> Double {
  var t = timespec()
  clock_gettime(clock, &t)
  return Double(t.tv_sec) + Double(t.tv_nsec) * 1e-9
}

func median(_ values: [Double]) -> Double {
  let v = values.sorted()
  return v.isEmpty ? .nan : (v[(v.count - 1) / 2] + v[v.count / 2]) / 2
}

func format(_ x: Double, _ digits: Int = 0) -> String { String(format: "%.\(digits)f", x) }

/// median (least … most)
func spread(_ values: [Double], _ digits: Int) -> String {
  guard let least = values.min(), let most = values.max() else { return "none" }
  return "\(format(median(values), digits)) (\(format(least, digits)) … \(format(most, digits)))"
}

func say(_ line: String) { FileHandle.standardError.write(Data((line + "\n").utf8)) }

/// How busy the machine is with other work: runnable processes a core, averaged over a minute by the kernel.
func loadAverage() -> Double {
  var load = [0.0]
  return getloadavg(&load, 1) == 1 ? load[0] : .nan
}
