/// When channels are pruned in a training run, and how many.
///
/// Events fall after `start`, `start + interval`, … epochs, the last not after `end`. A share rises linearly over them,
/// p(k) = share · k / events for the k-th (arXiv 2003.02800); a count is pruned at each (arXiv 2002.09958).
public struct PruningSchedule: Equatable, Sendable {
  public enum Scope: String, CaseIterable, Sendable {
    /// Every layer loses the same share of its channels.
    case layer
    /// The lowest scores of all layers together, each layer's divided by their norm.
    case global
  }

  /// How many channels.
  public enum Amount: Equatable, Sendable {
    /// Of those that the network was built with, in all.
    case share(Double, Scope)
    /// More of all layers together.
    case count(Int)
  }

  public let start: Int
  public let interval: Int
  public let end: Int
  /// At the end.
  public let amount: Amount

  public init(start: Int, interval: Int, end: Int, amount: Amount) {
    (self.start, self.interval, self.end, self.amount) = (start, interval, end, amount)
  }

  public var events: Int { end < start ? 0 : (end - start) / interval + 1 }

  /// The number of the event after so many epochs, counted from 0; nil when there is none.
  public func event(afterEpochs epochs: Int) -> Int? {
    epochs >= start && epochs <= end && (epochs - start) % interval == 0 ? (epochs - start) / interval : nil
  }

  /// What an event brings the network to, or takes from it.
  public func amount(atEvent event: Int) -> Amount {
    guard case .share(let share, let scope) = amount else { return amount }
    return .share(share * Double(event + 1) / Double(events), scope)
  }
}
